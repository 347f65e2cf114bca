@rem Sets PGBACKSTOP, how pgbackstop is called, unless it is set: by settings.bat, else by WSL. Exit code 3 without it.
@if defined PGBACKSTOP exit /b 0
@if exist "%~dp0settings.bat" call "%~dp0settings.bat"
@if defined PGBACKSTOP exit /b 0
@set "PGBACKSTOP=wsl.exe --exec pgbackstop"
@for %%I in (wsl.exe) do @if not "%%~$PATH:I"=="" exit /b 0
@set "PGBACKSTOP="
@echo pgbackstop is not found: this computer has no wsl.exe. Install WSL (wsl --install) and pgbackstop in it, or say 1>&2
@echo in settings.bat, beside this script, how it is called; settings.example.bat shows how. 1>&2
@exit /b 3
