"""Entry point of `python -m services.ingress`: serves until SIGTERM."""

from services.ingress.settings import Settings
from services.ingress.wiring import NAME, serve
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service(NAME, Settings, serve)
