"""The errors that inlaid raises.  Each message names what was found and what was expected."""


class InlayError(Exception):
    """The base class of the others."""


class FormatError(InlayError):
    """The bytes break the rules of their format: truncated, damaged, or of another format."""


class UnsupportedError(InlayError):
    """The bytes are valid, but use a feature that inlaid does not have."""


class LimitError(InlayError):
    """The picture needs more pixels or memory than the caller allows."""


class InlayWarning(UserWarning):
    """The base is returned without its inlay; the message gives the reason."""
