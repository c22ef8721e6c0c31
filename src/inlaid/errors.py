"""Every error that inlaid raises on purpose.  Each says what was found and what was expected."""


class InlayError(Exception):
    """The root of all of them: catch this one to catch any."""


class FormatError(InlayError):
    """The bytes are not what their format demands: truncated, damaged, or of another kind."""


class UnsupportedError(InlayError):
    """The bytes are valid, but ask for something that inlaid does not do."""


class LimitError(InlayError):
    """The picture would need more pixels or memory than the caller allows."""


class InlayWarning(UserWarning):
    """The base picture is shown without its inlay; the text says why."""
