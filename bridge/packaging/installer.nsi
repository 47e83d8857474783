; Installs the bridge for one person, without administrator's rights: program, start with
; the session, the chayan: link. Everything is taken away again by the uninstaller.
Unicode true
; Windows of 64 bits, as the program.
Target amd64-unicode
!ifndef VERSION
  !error "give -DVERSION"
!endif
Name "查驗讀卡元件 ${VERSION}"
OutFile "${OUTPUT}"
RequestExecutionLevel user
InstallDir "$LOCALAPPDATA\Programs\chayan-bridge"
!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\chayan-bridge"
Page directory
Page instfiles
UninstPage uninstConfirm
UninstPage instfiles

Section
  nsExec::Exec 'taskkill /IM chayan-bridge.exe /F'
  SetOutPath "$INSTDIR"
  File "${PROGRAM}"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKCU "Software\Microsoft\Windows\CurrentVersion\Run" "chayan-bridge" '"$INSTDIR\chayan-bridge.exe" start'
  WriteRegStr HKCU "Software\Classes\chayan" "" "URL:chayan"
  WriteRegStr HKCU "Software\Classes\chayan" "URL Protocol" ""
  WriteRegStr HKCU "Software\Classes\chayan\shell\open\command" "" '"$INSTDIR\chayan-bridge.exe" start "%1"'
  WriteRegStr HKCU "${UNINSTALL}" "DisplayName" "查驗讀卡元件"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  Exec '"$INSTDIR\chayan-bridge.exe" start'
SectionEnd

Section "Uninstall"
  nsExec::Exec 'taskkill /IM chayan-bridge.exe /F'
  DeleteRegValue HKCU "Software\Microsoft\Windows\CurrentVersion\Run" "chayan-bridge"
  DeleteRegKey HKCU "Software\Classes\chayan"
  DeleteRegKey HKCU "${UNINSTALL}"
  Delete "$INSTDIR\chayan-bridge.exe"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  RMDir /r "$LOCALAPPDATA\chayan-bridge"
SectionEnd
