#!/bin/sh
# The password is given to this one process in its environment, never as an argument.
answer=$(REDISCLI_AUTH="$(cat /run/secrets/redis/password)" redis-cli -h 127.0.0.1 ping 2>&1)
[ "$answer" = PONG ] || { echo "$answer"; exit 1; }
