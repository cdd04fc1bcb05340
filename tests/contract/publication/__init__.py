"""Checks of this repository by the tools of REUSE and CycloneDX, which `make publication-test` fetches."""
