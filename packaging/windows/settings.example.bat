@rem Copy this to settings.bat, beside the other scripts, where pgbackstop is not in WSL's default distribution.
@rem PGBACKSTOP is how pgbackstop is called from this computer. One of these, or your own:
@rem
@rem   another distribution, another account
@rem     set "PGBACKSTOP=wsl.exe --distribution Debian --user pgbackstop --exec pgbackstop"
@rem   a backup host, by Windows' own ssh; -t lets it ask
@rem     set "PGBACKSTOP=ssh.exe -t pgbackstop@backup.internal pgbackstop"
@rem   the stack, on this computer's Docker
@rem     set "PGBACKSTOP=docker.exe compose --project-directory C:\pgbackstop exec runner pgbackstop"
@rem   another configuration
@rem     set "PGBACKSTOP=wsl.exe --exec pgbackstop --config /etc/pgbackstop/shop.yaml"
set "PGBACKSTOP=wsl.exe --exec pgbackstop"
