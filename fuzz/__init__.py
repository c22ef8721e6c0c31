"""Fuzzing: mutated files through `decode`, `info`, `strip`, `attach` and `encode`.  `python -m fuzz --help` has the campaigns."""
