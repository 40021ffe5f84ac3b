#!/bin/sh
# Starts Redis. The password goes from its file into a file in memory that only this container sees.
set -eu
umask 077
{
    cat /etc/redis/redis.conf
    printf 'requirepass "%s"\n' "$(sed 's/["\\]/\\&/g' /run/secrets/redis/password)"
} >/run/redis/redis.conf
exec redis-server /run/redis/redis.conf
