"""Trees of files: each file of one tree becomes a file of another, in many processes, and a manifest says what was done.

Nothing here knows pictures.  What is done to a file is an `Action`; those on pictures are the command line's.
"""
