#!/bin/sh
# Runs once, on an empty data folder: a database for Marquee, its owner, who changes its schema, and
# the role of all processes, which reads and writes rows. Temporal's databases belong to Temporal.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set password="$DATABASE_PASSWORD" --set owner="$DATABASE_OWNER_PASSWORD" <<'SQL'
create role marquee_owner login password :'owner';
create role marquee login password :'password';
create database marquee owner marquee_owner;
revoke all on database marquee from public;
grant connect on database marquee to marquee;
SQL
