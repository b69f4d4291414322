; What Python calls for small segments: `entry(program, *arrays)`, with the calling convention of builtin functions of
; CPython. All arguments are arrays; the program is laid out as `layout.ll` says. All runs on the thread that calls,
; with scratch memory on the stack. The result is None, or True if some count is not 0.
define ptr @.entry(ptr %self, ptr %args, i64 %nargs) {

; Make room on the stack for the table, the scratch memory and one block.
start:
  %data = call i64 @.data(ptr %args, i64 0)
  %program = inttoptr i64 %data to ptr
  %objects = getelementptr ptr, ptr %args, i64 1
  %n = sub i64 %nargs, 1
  %scratches = load i64, ptr %program
  %bytes.at = getelementptr i64, ptr %program, i64 1
  %bytes = load i64, ptr %bytes.at
  %most.at = getelementptr i64, ptr %program, i64 3
  %most = load i64, ptr %most.at
  %places = add i64 %n, %scratches
  %table = alloca i64, i64 %places
  %scratch = alloca i8, i64 %bytes, align 64
  %base = ptrtoint ptr %scratch to i64
  %block = alloca i64, i64 %most
  call void @.fill_table(ptr %program, ptr %objects, i64 %n, i64 %base, ptr %table)
  call void @.run_regions(ptr %program, ptr %table, ptr %block)
  %failed = call i1 @.failed(ptr %program, ptr %table)
  %result = select i1 %failed, ptr @_Py_TrueStruct, ptr @_Py_NoneStruct
  %counted = call ptr @.counted(ptr %result)
  ret ptr %counted
}
