"""Error types and problem details (RFC 9457)."""

from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from shared.contracts.notices_http import FieldError, ProblemDetails

PROBLEM_MEDIA_TYPE = "application/problem+json"
_NONE: Mapping[str, str] = MappingProxyType({})


class _ErrorTypeFields(NamedTuple):
    slug: str
    status: int
    title: str
    detail: str


class ErrorType(_ErrorTypeFields, Enum):
    """Types of error; `slug` is the anchor in the documentation, `detail` tells the client what to do."""

    UNREADABLE = (
        "unreadable",
        400,
        "The request cannot be read",
        "Send JSON or a CloudEvent; plain JSON needs an `Idempotency-Key`. `errors` names each wrong field.",
    )
    UNAUTHORIZED = (
        "unauthorized",
        401,
        "A valid token is needed",
        "The token is missing, wrong, revoked or expired; the response does not tell which. Ask the operator.",
    )
    FORBIDDEN = (
        "forbidden",
        403,
        "Not permitted for this token",
        "The token does not permit this topic or this source: ask the operator. Nothing was published.",
    )
    NOT_FOUND = "not-found", 404, "Not found", "It does not exist, or this token may not read it."
    METHOD = "method", 405, "Method not allowed", "`Allow` lists the permitted methods."
    TOO_SLOW = "too-slow", 408, "The request did not arrive in time", "Send the whole content at once."
    TOO_LARGE = "too-large", 413, "The request is too large", "Send fewer events at once."
    MEDIA = "media", 415, "Unsupported content type", "`Accept-Post` lists the accepted types."
    INVALID = (
        "invalid",
        422,
        "The notice breaks rules",
        "`errors` names each wrong field and what would be right. Nothing was published.",
    )
    TOO_MANY = "too-many", 429, "Too many requests", "Wait the number of seconds in `Retry-After`."
    INTERNAL = (
        "internal",
        500,
        "Internal error",
        "Not your mistake. Repeat the same request; if the error persists, tell the operator.",
    )
    UNAVAILABLE = (
        "unavailable",
        503,
        "Temporarily unavailable",
        "The broker is unavailable. Repeat the same request after `Retry-After`: nothing is sent twice.",
    )


class ApiError(Exception):
    """Error to answer with problem details; `headers` are added to the response."""

    def __init__(
        self,
        error_type: ErrorType,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] = _NONE,
    ) -> None:
        super().__init__(error_type.slug)
        self.error_type = error_type
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = headers

    @property
    def details(self) -> ProblemDetails:
        return ProblemDetails(
            type=f"/docs#{self.error_type.slug}",
            title=self.error_type.title,
            status=self.error_type.status,
            detail=self.detail or self.error_type.detail,
            errors=self.errors,
        )


def build_retryable_error(error_type: ErrorType, detail: str, seconds: float = 2) -> ApiError:
    """Return an error with `Retry-After`: `seconds`, rounded up, at least 1."""
    return ApiError(error_type, detail, headers={"Retry-After": str(max(1, -int(-seconds // 1)))})
