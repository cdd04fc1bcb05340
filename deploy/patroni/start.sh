#!/bin/sh
# Starts Patroni with the passwords that are in files; it takes them from its environment.
set -eu
PATRONI_SUPERUSER_PASSWORD=$(cat /secrets/postgres/owner_password)
PATRONI_REPLICATION_PASSWORD=$(cat /secrets/postgres/replication_password)
export PATRONI_SUPERUSER_PASSWORD PATRONI_REPLICATION_PASSWORD
exec patroni "$1"
