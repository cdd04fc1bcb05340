"""Connection errors, described for operators."""

import ssl

import aiohttp


def describe_connection_error(error: Exception) -> str:
    """Return why a request got no answer; the only quoted text is that of TLS about a certificate."""
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
