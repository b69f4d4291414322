; `steps(program, numbers, *arrays)` runs a small segment many times, with the calling convention of builtin functions of
; CPython. All arguments are arrays; the program is laid out as `layout.ll` says. The numbers tell how often, and per array
; by how many bytes it moves from one time to the next. The result is None, or True as soon as some count is not 0.
define ptr @.steps(ptr %self, ptr %args, i64 %nargs) {

; Make room on the stack for the table, the scratch memory and one block.
start:
  %data = call i64 @.data(ptr %args, i64 0)
  %program = inttoptr i64 %data to ptr
  %told = call i64 @.data(ptr %args, i64 1)
  %numbers = inttoptr i64 %told to ptr
  %times = load i64, ptr %numbers
  %moves = getelementptr i64, ptr %numbers, i64 1
  %objects = getelementptr ptr, ptr %args, i64 2
  %n = sub i64 %nargs, 2
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
  br label %step

step:
  %t = phi i64 [0, %start], [%t1, %moved]
  %more = icmp slt i64 %t, %times
  br i1 %more, label %run, label %good
run:
  %t1 = add i64 %t, 1
  call void @.run_regions(ptr %program, ptr %table, ptr %block)
  %failed = call i1 @.failed(ptr %program, ptr %table)
  br i1 %failed, label %bad, label %arrays

; Each array moves on to what the next time reads or writes.
arrays:
  %k = phi i64 [0, %run], [%k1, %array]
  %left = icmp slt i64 %k, %n
  br i1 %left, label %array, label %moved
array:
  %k1 = add i64 %k, 1
  %move.at = getelementptr i64, ptr %moves, i64 %k
  %move = load i64, ptr %move.at
  %entry = getelementptr i64, ptr %table, i64 %k
  %at = load i64, ptr %entry
  %next = add i64 %at, %move
  store i64 %next, ptr %entry
  br label %arrays
moved:
  br label %step

good:
  %none = call ptr @.counted(ptr @_Py_NoneStruct)
  ret ptr %none
bad:
  %true = call ptr @.counted(ptr @_Py_TrueStruct)
  ret ptr %true
}
