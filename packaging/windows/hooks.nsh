; What the installer does beside copying: Windows lets nobody reach a program that no rule names.
;
; Rules need an administrator's rights. Who installs for themselves alone has none, and Windows asks them at the first start.
; They name the programs and no port: TCP takes another one where 24417 is taken. Public networks stay closed.

!macro LANYARD_FORGET PROGRAM
  nsExec::Exec 'netsh advfirewall firewall delete rule name="Lanyard" program="$INSTDIR\${PROGRAM}"'
  Pop $0
!macroend

!macro LANYARD_ALLOW PROGRAM
  ; An update must not leave two of a kind.
  !insertmacro LANYARD_FORGET "${PROGRAM}"
  nsExec::Exec 'netsh advfirewall firewall add rule name="Lanyard" dir=in action=allow profile=private,domain program="$INSTDIR\${PROGRAM}"'
  Pop $0
  ${If} $0 != 0
    DetailPrint "Windows Firewall was not changed: it will ask when ${PROGRAM} starts."
  ${EndIf}
!macroend

!macro NSIS_HOOK_POSTINSTALL
  !insertmacro LANYARD_ALLOW "lanyard-desktop.exe"
  !insertmacro LANYARD_ALLOW "lanyard.exe"
!macroend

!macro NSIS_HOOK_PREUNINSTALL
  ${If} $UpdateMode <> 1
    !insertmacro LANYARD_FORGET "lanyard-desktop.exe"
    !insertmacro LANYARD_FORGET "lanyard.exe"
  ${EndIf}
!macroend

; The profile stays, unless the person ticked that it goes: it is not in the folder that the installer would look in.
!macro NSIS_HOOK_POSTUNINSTALL
  ${If} $DeleteAppDataCheckboxState = 1
  ${AndIf} $UpdateMode <> 1
    SetShellVarContext current
    RMDir /r "$LOCALAPPDATA\Lanyard\data"
    RMDir "$LOCALAPPDATA\Lanyard"
  ${EndIf}
!macroend
