/** The page's side of the worker: a queue of files, restored one at a time. */
import { address, assets } from "./addresses";
import type { FromWorker, Restored, Source, ToWorker } from "./messages";

const IDLE_MS = 10_000; // then the worker ends, and its memory with it
const CANCELLED = "cancelled";

interface Job {
  id: number;
  source: Source;
  resolve: (result: Restored) => void;
  reject: (error: Error) => void;
}

/** The worker itself failed; other files will fail too. */
export class WorkerFailure extends Error {}

const queue: Job[] = [];
let current: Job | undefined;
let worker: Worker | undefined;
let idle: ReturnType<typeof setTimeout> | undefined;
let count = 0;

/** Restore a file in the worker.  The promise fails with an Error in words; so it does when `signal` aborts. */
export function restore(source: Source, signal?: AbortSignal): Promise<Restored> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new Error(CANCELLED));
    const job = { id: ++count, source, resolve, reject };
    queue.push(job);
    signal?.addEventListener("abort", () => cancel(job), { once: true });
    next();
  });
}

function cancel(job: Job): void {
  const at = queue.indexOf(job);
  if (at >= 0) queue.splice(at, 1);
  else if (job === current) say({ cancel: job.id }); // its loading stops; its answer, an error, starts the next
  job.reject(new Error(CANCELLED));
}

function next(): void {
  if (current) return;
  clearTimeout(idle);
  current = queue.shift();
  if (!current) {
    idle = worker && setTimeout(stop, IDLE_MS);
    return;
  }
  try {
    worker ??= started();
  } catch (error) {
    return failed(`the worker cannot start: ${String(error)}`);
  }
  say({ id: current.id, source: current.source });
}

function started(): Worker {
  const made = new Worker(address("worker"), { type: "module", name: "inlaid" });
  made.onmessage = (event: MessageEvent<FromWorker>) => {
    const job = current;
    if (!job || job.id !== event.data.id) return;
    current = undefined;
    if ("error" in event.data) job.reject(new Error(event.data.error));
    else job.resolve(event.data.result);
    next();
  };
  made.onerror = (event) => {
    stop();
    failed(`the worker failed: ${event.message || `it cannot be loaded from ${address("worker")}`}`);
  };
  const carried = assets();
  if (carried) made.postMessage({ assets: carried } satisfies ToWorker);
  return made;
}

function failed(reason: string): void {
  current?.reject(new WorkerFailure(reason));
  current = undefined;
  next();
}

function say(message: ToWorker): void {
  worker?.postMessage(message);
}

function stop(): void {
  clearTimeout(idle);
  worker?.terminate();
  worker = undefined;
}
