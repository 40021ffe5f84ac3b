#!/bin/sh
# Starts versitygw on a directory. Its keys come in the environment (ROOT_ACCESS_KEY, ROOT_SECRET_KEY), as it expects them.
# Metadata is kept beside the objects and not in extended attributes, which not every volume has.
set -eu
umask 077
PATH=$PATH:/usr/local/bin:/app
mkdir -p "/data/buckets/$S3_BUCKET" /data/metadata /data/versions
exec versitygw --port :7070 --region "$S3_REGION" --health /health --quiet \
    posix --sidecar /data/metadata --versioning-dir /data/versions /data/buckets
