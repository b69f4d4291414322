; A small segment as a whole, on the thread that calls, and what that thread gives back to Python.
;
; $$counts_none is whether references to None and True are counted.
@_Py_NoneStruct = external global i64
@_Py_TrueStruct = external global i64

; Each region in turn: its block is filled and its code called.
define internal void @.run_regions(ptr %program, ptr %table, ptr %block) {
start:
  %regions.at = getelementptr i64, ptr %program, i64 2
  %regions = load i64, ptr %regions.at
  %body = call ptr @.regions(ptr %program)
  br label %loop
loop:
  %r = phi i64 [0, %start], [%r1, %call]
  %region = phi ptr [%body, %start], [%next, %call]
  %more = icmp slt i64 %r, %regions
  br i1 %more, label %call, label %done
call:
  %r1 = add i64 %r, 1
  %rest = call ptr @.fill_block(ptr %region, ptr %table, ptr %block)
  %function.at = getelementptr i64, ptr %region, i64 1
  %function = load ptr, ptr %function.at
  call void %function(ptr %block)
  %words = load i64, ptr %region
  %next = getelementptr i64, ptr %region, i64 %words
  br label %loop
done:
  ret void
}

; An object, with one more reference where these are counted.
define internal ptr @.counted(ptr %object) {
start:
  br i1 $counts_none, label %count, label %return
count:
  %count0 = load i64, ptr %object
  %count1 = add i64 %count0, 1
  store i64 %count1, ptr %object
  br label %return
return:
  ret ptr %object
}
