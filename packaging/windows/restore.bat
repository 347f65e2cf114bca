@echo off
rem Restores a database. Without arguments it lists the backups, asks for one, shows what would be done, and
rem waits; pgbackstop then asks for the name of the database that it would replace, and keeps the replaced one.
rem usage: restore.bat [BACKUP [options of "pgbackstop restore"]]
setlocal EnableExtensions DisableDelayedExpansion
call "%~dp0find-pgbackstop.bat"
if errorlevel 1 set "CODE=3" & goto ended
if not "%~1"=="" goto named

%PGBACKSTOP% list --status available
set "CODE=%ERRORLEVEL%"
if not "%CODE%"=="0" goto ended
echo.
set "BACKUP="
set /p "BACKUP=Restore which backup? Its ID, or the beginning of it: "
if not defined BACKUP echo No backup is named. Nothing was done. 1>&2 & set "CODE=2" & goto ended
setlocal EnableDelayedExpansion
%PGBACKSTOP% restore "!BACKUP!" --dry-run
endlocal & set "CODE=%ERRORLEVEL%"
if not "%CODE%"=="0" goto ended
echo.
set "ANSWER="
set /p "ANSWER=Type yes to begin: "
setlocal EnableDelayedExpansion
if /i not "!ANSWER!"=="yes" echo Nothing was done. 1>&2 & set "CODE=2" & goto ended
%PGBACKSTOP% restore "!BACKUP!"
endlocal & set "CODE=%ERRORLEVEL%"
goto ended

:named
%PGBACKSTOP% restore %*
set "CODE=%ERRORLEVEL%"
:ended
rem A window that a double click opened would close before it is read.
if "%~1"=="" pause
exit /b %CODE%
