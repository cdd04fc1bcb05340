"""AsyncAPI's own checks of a document, from its package: `make asyncapi-test` fetches that into this folder."""
