@echo off
rem Says whether you are safe, and to which second each server can be restored.
rem usage: status.bat [options of "pgbackstop status"]
setlocal EnableExtensions DisableDelayedExpansion
call "%~dp0find-pgbackstop.bat"
if errorlevel 1 set "CODE=3" & goto ended
%PGBACKSTOP% status %*
set "CODE=%ERRORLEVEL%"
:ended
rem A window that a double click opened would close before it is read.
if "%~1"=="" pause
exit /b %CODE%
