#!/bin/sh
# Makes Marquee's namespace and the search attributes that its workflows set.
set -eu
until temporal operator cluster health; do sleep 1; done
temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
    temporal operator namespace create -n "$TEMPORAL_NAMESPACE" --retention 30d
# A namespace is known everywhere some seconds later.
until temporal operator search-attribute list -n "$TEMPORAL_NAMESPACE" >/dev/null; do sleep 1; done
temporal operator search-attribute create -n "$TEMPORAL_NAMESPACE" \
    --name ReservationStatus --type Keyword \
    --name ShowtimeId --type Keyword \
    --name DeadlineAt --type Datetime
