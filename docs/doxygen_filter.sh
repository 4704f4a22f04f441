#!/bin/sh
# Makes the plain comments of headers such as doxygen reads: behind code a comment belongs to what stands before it.
# Their text stays as it is written.
case "$1" in
*.h) awk '
  function escaped(text) { gsub(/[\\@#<>&%]/, "\\\\&", text); return text }
  {
    inside = open
    if (!open && (at = index($0, "/*"))) {
      before = substr($0, 1, at - 1); rest = substr($0, at + 2); open = 1
      opening = before ~ /[^ ]/ ? "/**<" : "/**"
      if (end = index(rest, "*/")) { open = 0; print before opening escaped(substr(rest, 1, end - 1)) substr(rest, end) }
      else print before opening escaped(rest)
      next
    }
    if (inside && (end = index($0, "*/"))) { open = 0; print escaped(substr($0, 1, end - 1)) substr($0, end); next }
    print inside ? escaped($0) : $0
  }' "$1" ;;
*) cat "$1" ;;
esac
