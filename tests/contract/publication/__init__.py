"""What REUSE and CycloneDX say of this repository, by their own tools: `make publication-test` fetches those."""
