#!/bin/sh
# Starts Patroni, which reads passwords from its environment, with the passwords in files.
set -eu
PATRONI_SUPERUSER_PASSWORD=$(cat /secrets/postgres/owner_password)
PATRONI_REPLICATION_PASSWORD=$(cat /secrets/postgres/replication_password)
export PATRONI_SUPERUSER_PASSWORD PATRONI_REPLICATION_PASSWORD
exec patroni "$1"
