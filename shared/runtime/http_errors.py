"""Why a request got no answer, in words for operators."""

import ssl

import aiohttp


def describe_connection_error(error: Exception) -> str:
    """Return the reason; it quotes nothing but what TLS says of a certificate."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "its name is not found"
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as cause):
            return f"its certificate is not trusted ({cause.verify_message})"
        case aiohttp.ClientConnectorError(os_error=ssl.SSLError() as cause):
            return f"no TLS is possible ({cause.reason})"
        case aiohttp.ClientConnectorError():
            return f"nobody answers there ({type(error.os_error).__name__})"
        case _:
            return f"cannot be reached ({type(error).__name__})"
