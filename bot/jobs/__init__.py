"""Jobs from the queue to their end: queue, runner, lifecycle, relay, limits, reaper, audit."""
