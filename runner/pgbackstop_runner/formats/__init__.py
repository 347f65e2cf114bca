"""What stored files hold: dumps and their contents, SQL scripts, manifests, tar and zstd."""
