#!/bin/sh
# Run once by Patroni on the first primary, with its URL.
set -eu
exec psql --no-psqlrc --set=ON_ERROR_STOP=1 --command="create database kreisfunk" "$1"
