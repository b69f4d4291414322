; What Python calls: `entry(program, *arrays)`, with the calling convention of builtin functions of CPython.
;
; An argument is a Python object. All of them are arrays here: the first one holds the program as 64-bit words, the
; others are what the segment reads and writes. The words are
;     how many pieces of scratch memory, their bytes together, how many regions, the largest block of a region,
;     per piece of scratch memory its offset,
;     per region: its function, how many numbers, how many pointers, the numbers, the pointers as places in the table.
; The table has the address of every array's data, then that of every piece of scratch memory. A block is what the code
; of a region expects: its numbers, then its pointers.
;
; $$offset is where an array object holds the address of its data, $$counts_none whether references to None are counted.
@_Py_NoneStruct = external global i64
define ptr @.entry(ptr %self, ptr %args, i64 %nargs) {

; Read the head of the program, and make room on the stack for the table, the scratch memory and one block.
start:
  %first = load ptr, ptr %args
  %first.data = getelementptr i8, ptr %first, i64 $offset
  %program = load ptr, ptr %first.data
  %scratches = load i64, ptr %program
  %bytes.at = getelementptr i64, ptr %program, i64 1
  %bytes = load i64, ptr %bytes.at
  %regions.at = getelementptr i64, ptr %program, i64 2
  %regions = load i64, ptr %regions.at
  %most.at = getelementptr i64, ptr %program, i64 3
  %most = load i64, ptr %most.at
  %offsets = getelementptr i64, ptr %program, i64 4
  %body = getelementptr i64, ptr %offsets, i64 %scratches
  %objects = sub i64 %nargs, 1
  %places = add i64 %objects, %scratches
  %table = alloca i64, i64 %places
  %scratch = alloca i8, i64 %bytes, align 64
  %base = ptrtoint ptr %scratch to i64
  %block = alloca i64, i64 %most
  br label %arrays

; For each array k: the address of its data into the table.
arrays:
  %k = phi i64 [0, %start], [%k1, %array]
  %c1 = icmp slt i64 %k, %objects
  br i1 %c1, label %array, label %places.loop
array:
  %k1 = add i64 %k, 1
  %object.at = getelementptr ptr, ptr %args, i64 %k1
  %object = load ptr, ptr %object.at
  %data.at = getelementptr i8, ptr %object, i64 $offset
  %data = load i64, ptr %data.at
  %to1 = getelementptr i64, ptr %table, i64 %k
  store i64 %data, ptr %to1
  br label %arrays

; For each piece of scratch memory s: its address into the table.
places.loop:
  %s = phi i64 [0, %arrays], [%s1, %place]
  %c2 = icmp slt i64 %s, %scratches
  br i1 %c2, label %place, label %regions.loop
place:
  %s1 = add i64 %s, 1
  %offset.at = getelementptr i64, ptr %offsets, i64 %s
  %offset = load i64, ptr %offset.at
  %where = add i64 %base, %offset
  %index = add i64 %objects, %s
  %to2 = getelementptr i64, ptr %table, i64 %index
  store i64 %where, ptr %to2
  br label %places.loop

; For each region r, whose words begin at p: fill the block and call its code.
regions.loop:
  %r = phi i64 [0, %places.loop], [%r1, %called]
  %p = phi ptr [%body, %places.loop], [%next, %called]
  %c3 = icmp slt i64 %r, %regions
  br i1 %c3, label %region, label %done
region:
  %function = load ptr, ptr %p
  %numbers.at = getelementptr i64, ptr %p, i64 1
  %numbers = load i64, ptr %numbers.at
  %pointers.at = getelementptr i64, ptr %p, i64 2
  %pointers = load i64, ptr %pointers.at
  %content = getelementptr i64, ptr %p, i64 3
  br label %numbers.loop

; The numbers as they stand in the program,
numbers.loop:
  %n = phi i64 [0, %region], [%n1, %number]
  %c4 = icmp slt i64 %n, %numbers
  br i1 %c4, label %number, label %pointers.start
number:
  %n1 = add i64 %n, 1
  %from4 = getelementptr i64, ptr %content, i64 %n
  %value4 = load i64, ptr %from4
  %to4 = getelementptr i64, ptr %block, i64 %n
  store i64 %value4, ptr %to4
  br label %numbers.loop

; and the pointers from the table.
pointers.start:
  %indices = getelementptr i64, ptr %content, i64 %numbers
  %block.pointers = getelementptr i64, ptr %block, i64 %numbers
  br label %pointers.loop
pointers.loop:
  %q = phi i64 [0, %pointers.start], [%q1, %pointer]
  %c5 = icmp slt i64 %q, %pointers
  br i1 %c5, label %pointer, label %call
pointer:
  %q1 = add i64 %q, 1
  %from5 = getelementptr i64, ptr %indices, i64 %q
  %place5 = load i64, ptr %from5
  %entry5 = getelementptr i64, ptr %table, i64 %place5
  %value5 = load i64, ptr %entry5
  %to5 = getelementptr i64, ptr %block.pointers, i64 %q
  store i64 %value5, ptr %to5
  br label %pointers.loop
call:
  call void %function(ptr %block)
  br label %called
called:
  %r1 = add i64 %r, 1
  %next = getelementptr i64, ptr %indices, i64 %pointers
  br label %regions.loop

; Return None, as every Python function without a result, with one more reference where these are counted.
done:
  br i1 $counts_none, label %counted, label %return
counted:
  %count = load i64, ptr @_Py_NoneStruct
  %more = add i64 %count, 1
  store i64 %more, ptr @_Py_NoneStruct
  br label %return
return:
  ret ptr @_Py_NoneStruct
}
