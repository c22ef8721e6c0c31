/** The errors that inlaid raises.  Each message names what was found and what was expected. */

/** The base class of the others. */
export class InlayError extends Error {}

/** The bytes break the rules of their format: truncated, damaged, or of another format. */
export class FormatError extends InlayError {}

/** The bytes are valid, but use a feature that inlaid, or this browser, does not have. */
export class UnsupportedError extends InlayError {}

/** The picture needs more pixels or memory than there is. */
export class LimitError extends InlayError {}
