"""Search methods from papers, one small file each, run by one search loop."""
