"""The Helm chart, rendered and checked without a cluster by tools that `make helm-test` fetches."""
