"""Ray: the only package that imports it. Runs the jobs of a sweep on a cluster, or on this machine as one."""
