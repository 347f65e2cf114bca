@echo off
rem Lists backups, good and bad, the newest first.
rem usage: list.bat [PLAN] [options of "pgbackstop list"]
setlocal EnableExtensions DisableDelayedExpansion
call "%~dp0find-pgbackstop.bat"
if errorlevel 1 set "CODE=3" & goto ended
%PGBACKSTOP% list %*
set "CODE=%ERRORLEVEL%"
:ended
rem A window that a double click opened would close before it is read.
if "%~1"=="" pause
exit /b %CODE%
