#!/bin/sh
# Creates Temporal's two databases where they are not there yet, and brings their schemas up to date.
set -eu
for store in temporal visibility; do
    database=temporal
    [ "$store" = temporal ] || database=temporal_visibility
    tool="temporal-sql-tool --plugin postgres12 --ep postgres -p 5432 -u $POSTGRES_USER --db $database"
    $tool create
    $tool setup-schema -v 0.0
    $tool update-schema -d "/etc/temporal/schema/postgresql/v12/$store/versioned"
done
