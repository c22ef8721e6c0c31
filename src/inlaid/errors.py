"""The errors that inlaid raises.  Each message names what was found and what was expected."""


class InlayError(Exception):
    """The base class of the others."""


class FormatError(InlayError):
    """The bytes break the rules of their format: truncated, damaged, or of another format."""


class UnsupportedError(InlayError):
    """The bytes are valid, but use a feature that inlaid does not have."""


class LimitError(InlayError):
    """The picture needs more pixels or memory than the caller allows."""


class TargetError(InlayError):
    """No file of this picture has the wanted size or quality; the message names the nearest that one can have."""


class InlayWarning(UserWarning):
    """The base is returned without its inlay; the message gives the reason."""


def said(error: BaseException) -> str:
    """The error in words, without the name of a file."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
