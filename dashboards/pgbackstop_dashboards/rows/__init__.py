"""The rows of the dashboards, a module each: what a row shows, and in which words."""
