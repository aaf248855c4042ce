"""What can go wrong with a request to a cluster."""


class ClusterError(Exception):
    """A request to a cluster did not succeed."""


class Unreachable(ClusterError):
    """No answer: connection refused, reset or timed out. Whether a write took effect is unknown."""


class ApiError(ClusterError):
    """The API server answered with an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class NotFound(ApiError):
    """404: the object or its kind does not exist."""


class Conflict(ApiError):
    """409: it exists already, or was changed since it was read."""

    @property
    def already_exists(self) -> bool:
        """Whether a create met an object of that name."""
        return self.reason == "AlreadyExists"


class Gone(ApiError):
    """410: the resourceVersion is too old; list anew."""


class Forbidden(ApiError):
    """401 or 403: the identity may not do this."""


class Invalid(ApiError):
    """400 or 422: the API server refuses the content."""


class Throttled(ApiError):
    """429: the API server, or a PodDisruptionBudget, asks to come back later."""

    retry_after: float = 1.0


_BY_STATUS: dict[int, type[ApiError]] = {
    400: Invalid,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: Throttled,
}


def api_error(status: int, reason: str, message: str) -> ApiError:
    """The error class of an HTTP status."""
    return _BY_STATUS.get(status, ApiError)(status, reason, message)
