@echo off
rem Makes the backups of a plan now, and asks for the plan where none is named.
rem usage: backup.bat [PLAN [options of "pgbackstop backup"]]
setlocal EnableExtensions DisableDelayedExpansion
call "%~dp0find-pgbackstop.bat"
if errorlevel 1 set "CODE=3" & goto ended
if not "%~1"=="" goto named

%PGBACKSTOP% status
echo.
set "PLAN="
set /p "PLAN=Back up which plan? "
if not defined PLAN echo No plan is named. Nothing was done. 1>&2 & set "CODE=2" & goto ended
setlocal EnableDelayedExpansion
%PGBACKSTOP% backup "!PLAN!"
endlocal & set "CODE=%ERRORLEVEL%"
goto ended

:named
%PGBACKSTOP% backup %*
set "CODE=%ERRORLEVEL%"
:ended
rem A window that a double click opened would close before it is read.
if "%~1"=="" pause
exit /b %CODE%
