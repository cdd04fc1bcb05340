"""What AsyncAPI itself says of a document, from its own package: `make asyncapi-test` fetches that into this folder."""
