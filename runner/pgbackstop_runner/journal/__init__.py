"""Records of running operations, from the line that says that they run to their last one."""
