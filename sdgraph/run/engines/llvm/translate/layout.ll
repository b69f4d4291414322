; How the words of a program become what regions expect. Both ways from Python into compiled code begin so.
;
; A program is an array of 64-bit words:
;     how many pieces of scratch memory, their bytes together, how many regions, the largest block of a region, how many
;     counts must be 0 in the end, whether a call is long (2: it is, and may not be stopped halfway),
;     per piece of scratch memory its offset,
;     per count its place in the table,
;     per region
;         how many words these are, its function, how many numbers, how many pointers,
;         the numbers, the pointers as places in the table,
;         how many chunks may be shared, about how many microseconds it takes,
;         the function before its first phase, how many phases,
;         per phase its loop over chunks and what finishes it.
; The table has the address of every array's data, then that of every piece of scratch memory. A block is what the code
; of a region expects: its numbers, then its pointers.
;
; $$offset is where an array object holds the address of its data, $$head how many words the program begins with.

; Where the regions stand in a program.
define internal ptr @.regions(ptr %program) {
  %scratches = load i64, ptr %program
  %counts.at = getelementptr i64, ptr %program, i64 4
  %counts = load i64, ptr %counts.at
  %both = add i64 %scratches, %counts
  %place = add i64 %both, $head
  %regions = getelementptr i64, ptr %program, i64 %place
  ret ptr %regions
}

; The address of an array's data.
define internal i64 @.data(ptr %objects, i64 %k) {
  %at = getelementptr ptr, ptr %objects, i64 %k
  %object = load ptr, ptr %at
  %data.at = getelementptr i8, ptr %object, i64 $offset
  %data = load i64, ptr %data.at
  ret i64 %data
}

; The addresses of all arrays, then of all scratch memory, into the table.
define internal void @.fill_table(ptr %program, ptr %objects, i64 %n, i64 %base, ptr %table) {
start:
  br label %arrays
arrays:
  %k = phi i64 [0, %start], [%k1, %array]
  %more = icmp slt i64 %k, %n
  br i1 %more, label %array, label %places
array:
  %k1 = add i64 %k, 1
  %data = call i64 @.data(ptr %objects, i64 %k)
  %to = getelementptr i64, ptr %table, i64 %k
  store i64 %data, ptr %to
  br label %arrays
places:
  call void @.fill_scratch(ptr %program, i64 %n, i64 %base, ptr %table)
  ret void
}

; The addresses of all scratch memory into the table, behind those of so many arrays.
define internal void @.fill_scratch(ptr %program, i64 %n, i64 %base, ptr %table) {
start:
  %scratches = load i64, ptr %program
  %offsets = getelementptr i64, ptr %program, i64 $head
  br label %places
places:
  %s = phi i64 [0, %start], [%s1, %place]
  %more = icmp slt i64 %s, %scratches
  br i1 %more, label %place, label %done
place:
  %s1 = add i64 %s, 1
  %offset.at = getelementptr i64, ptr %offsets, i64 %s
  %offset = load i64, ptr %offset.at
  %where = add i64 %base, %offset
  %index = add i64 %n, %s
  %to = getelementptr i64, ptr %table, i64 %index
  store i64 %where, ptr %to
  br label %places
done:
  ret void
}

; A region's numbers as they stand in the program, and its pointers from the table. Gives the words that follow.
define internal ptr @.fill_block(ptr %region, ptr %table, ptr %block) {
start:
  %numbers.at = getelementptr i64, ptr %region, i64 2
  %numbers = load i64, ptr %numbers.at
  %pointers.at = getelementptr i64, ptr %region, i64 3
  %pointers = load i64, ptr %pointers.at
  %content = getelementptr i64, ptr %region, i64 4
  %both = add i64 %numbers, %pointers
  %rest = getelementptr i64, ptr %content, i64 %both
  br label %numbers.loop
numbers.loop:
  %n = phi i64 [0, %start], [%n1, %number]
  %c1 = icmp slt i64 %n, %numbers
  br i1 %c1, label %number, label %pointers.loop
number:
  %n1 = add i64 %n, 1
  %from1 = getelementptr i64, ptr %content, i64 %n
  %value1 = load i64, ptr %from1
  %to1 = getelementptr i64, ptr %block, i64 %n
  store i64 %value1, ptr %to1
  br label %numbers.loop
pointers.loop:
  %p = phi i64 [%numbers, %numbers.loop], [%p1, %pointer]
  %c2 = icmp slt i64 %p, %both
  br i1 %c2, label %pointer, label %done
pointer:
  %p1 = add i64 %p, 1
  %from2 = getelementptr i64, ptr %content, i64 %p
  %place2 = load i64, ptr %from2
  %entry2 = getelementptr i64, ptr %table, i64 %place2
  %value2 = load i64, ptr %entry2
  %to2 = getelementptr i64, ptr %block, i64 %p
  store i64 %value2, ptr %to2
  br label %pointers.loop
done:
  ret ptr %rest
}

; Whether a count is not 0 at the end.
define internal i1 @.failed(ptr %program, ptr %table) {
start:
  %scratches = load i64, ptr %program
  %counts.at = getelementptr i64, ptr %program, i64 4
  %counts = load i64, ptr %counts.at
  %place = add i64 %scratches, $head
  %checked = getelementptr i64, ptr %program, i64 %place
  br label %loop
loop:
  %c = phi i64 [0, %start], [%c1, %check]
  %bad = phi i64 [0, %start], [%bad1, %check]
  %more = icmp slt i64 %c, %counts
  br i1 %more, label %check, label %done
check:
  %c1 = add i64 %c, 1
  %from = getelementptr i64, ptr %checked, i64 %c
  %index = load i64, ptr %from
  %entry = getelementptr ptr, ptr %table, i64 %index
  %at = load ptr, ptr %entry
  %count = load i64, ptr %at
  %bad1 = or i64 %bad, %count
  br label %loop
done:
  %failed = icmp ne i64 %bad, 0
  ret i1 %failed
}
