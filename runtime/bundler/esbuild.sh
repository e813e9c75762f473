#!/bin/sh
# Stands in for esbuild's binary, which is started with what it may use up. It gets the five descriptors that its
# runtime needs and can open nothing more: all it is to read comes over its pipe.
ulimit -c 0
ulimit -d "$BULKHEAD_ESBUILD_KB"
ulimit -n 5
exec "$BULKHEAD_ESBUILD" "$@"
