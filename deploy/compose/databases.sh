#!/bin/sh
# Runs once, on an empty data folder: a role and a database for Marquee. The role owns its own
# database and nothing else; Temporal's belong to Temporal.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set password="$MARQUEE_DATABASE_PASSWORD" <<'SQL'
create role marquee login password :'password';
create database marquee owner marquee;
revoke all on database marquee from public;
SQL
