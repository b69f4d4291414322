; Calls of small segments whose arrays stay where they are, as builtin functions of CPython. What they belong to is an
; array of words.

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
@_Py_FalseStruct = external global i64

; Run a program on arrays of which the words tell the addresses, but for those that are given. Gives whether some count is
; not 0, or not as many arrays are given as should be. The words:
;     the address of the program, how many arrays, how many of them are given, how many pieces of memory are copied first,
;     the addresses of the arrays, the places of those that are given,
;     per piece where it goes, where it is, and its bytes.
define internal i1 @.run(ptr %words, ptr %args, i64 %nargs) {
start:
  %program = load ptr, ptr %words
  %n.at = getelementptr i64, ptr %words, i64 1
  %n = load i64, ptr %n.at
  %given.at = getelementptr i64, ptr %words, i64 2
  %given = load i64, ptr %given.at
  %copies.at = getelementptr i64, ptr %words, i64 3
  %copies = load i64, ptr %copies.at
  %fixed = getelementptr i64, ptr %words, i64 4
  %places = getelementptr i64, ptr %fixed, i64 %n
  %copied = getelementptr i64, ptr %places, i64 %given
  %fits = icmp eq i64 %given, %nargs
  br i1 %fits, label %room, label %not

; Room on the stack for the table, the scratch memory and one block.
room:
  %scratches = load i64, ptr %program
  %bytes.at = getelementptr i64, ptr %program, i64 1
  %bytes = load i64, ptr %bytes.at
  %most.at = getelementptr i64, ptr %program, i64 3
  %most = load i64, ptr %most.at
  %all = add i64 %n, %scratches
  %table = alloca i64, i64 %all
  %scratch = alloca i8, i64 %bytes, align 64
  %base = ptrtoint ptr %scratch to i64
  %block = alloca i64, i64 %most
  %n.bytes = mul i64 %n, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %table, ptr %fixed, i64 %n.bytes, i1 false)
  br label %arrays
arrays:
  %k = phi i64 [0, %room], [%k1, %array]
  %c1 = icmp slt i64 %k, %nargs
  br i1 %c1, label %array, label %pieces
array:
  %k1 = add i64 %k, 1
  %data = call i64 @.data(ptr %args, i64 %k)
  %place.at = getelementptr i64, ptr %places, i64 %k
  %place = load i64, ptr %place.at
  %entry = getelementptr i64, ptr %table, i64 %place
  store i64 %data, ptr %entry
  br label %arrays
pieces:
  %p = phi i64 [0, %arrays], [%p1, %piece]
  %piece.at = phi ptr [%copied, %arrays], [%next, %piece]
  %c2 = icmp slt i64 %p, %copies
  br i1 %c2, label %piece, label %run
piece:
  %p1 = add i64 %p, 1
  %to = load ptr, ptr %piece.at
  %from.at = getelementptr i64, ptr %piece.at, i64 1
  %from = load ptr, ptr %from.at
  %size.at = getelementptr i64, ptr %piece.at, i64 2
  %size = load i64, ptr %size.at
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %size, i1 false)
  %next = getelementptr i64, ptr %piece.at, i64 3
  br label %pieces
run:
  call void @.fill_scratch(ptr %program, i64 %n, i64 %base, ptr %table)
  call void @.run_regions(ptr %program, ptr %table, ptr %block)
  %failed = call i1 @.failed(ptr %program, ptr %table)
  ret i1 %failed
not:
  ret i1 true
}

; `again(*arrays)`: None, or True if that is what `.run` gives.
define ptr @.again(ptr %self, ptr %args, i64 %nargs) {
  %words.at = getelementptr i8, ptr %self, i64 $offset
  %words = load ptr, ptr %words.at
  %failed = call i1 @.run(ptr %words, ptr %args, i64 %nargs)
  %result = select i1 %failed, ptr @_Py_TrueStruct, ptr @_Py_NoneStruct
  %counted = call ptr @.counted(ptr %result)
  ret ptr %counted
}

; `both(*arrays)` runs a program on the arrays, and then another one that is given none: if nothing failed, and in no
; number of an array all bits of the exponent are 1. The result is None, or True if that did not happen. The words:
;     the addresses of the words of both, that of the array's data, how many numbers it has, their bytes, and these bits.
define ptr @.both(ptr %self, ptr %args, i64 %nargs) {
start:
  %words.at = getelementptr i8, ptr %self, i64 $offset
  %words = load ptr, ptr %words.at
  %one = load ptr, ptr %words
  %two.at = getelementptr i64, ptr %words, i64 1
  %two = load ptr, ptr %two.at
  %data.at = getelementptr i64, ptr %words, i64 2
  %data = load ptr, ptr %data.at
  %size.at = getelementptr i64, ptr %words, i64 3
  %size = load i64, ptr %size.at
  %bytes.at = getelementptr i64, ptr %words, i64 4
  %bytes = load i64, ptr %bytes.at
  %bits.at = getelementptr i64, ptr %words, i64 5
  %bits = load i64, ptr %bits.at
  %wide = icmp eq i64 %bytes, 8
  %failed = call i1 @.run(ptr %one, ptr %args, i64 %nargs)
  br i1 %failed, label %not, label %numbers
numbers:
  %k = phi i64 [0, %start], [%k1, %looked]
  %more = icmp slt i64 %k, %size
  br i1 %more, label %number, label %good
number:
  %k1 = add i64 %k, 1
  br i1 %wide, label %eight, label %four
eight:
  %at8 = getelementptr i64, ptr %data, i64 %k
  %x8 = load i64, ptr %at8
  br label %looked
four:
  %at4 = getelementptr i32, ptr %data, i64 %k
  %x4 = load i32, ptr %at4
  %x4.wide = zext i32 %x4 to i64
  br label %looked
looked:
  %x = phi i64 [%x8, %eight], [%x4.wide, %four]
  %exponent = and i64 %x, %bits
  %bad = icmp eq i64 %exponent, %bits
  br i1 %bad, label %not, label %numbers
good:
  %failed.too = call i1 @.run(ptr %two, ptr %args, i64 0)
  br i1 %failed.too, label %not, label %done
done:
  %none = call ptr @.counted(ptr @_Py_NoneStruct)
  ret ptr %none
not:
  %true = call ptr @.counted(ptr @_Py_TrueStruct)
  ret ptr %true
}

; `fits(*arrays)`: whether these are arrays of certain types and shapes in C order, whatever is given. The words:
;     how many arrays, and per array the address of its type, its rank and its sizes.
define ptr @.fits(ptr %self, ptr %args, i64 %nargs) {
start:
  %words.at = getelementptr i8, ptr %self, i64 $offset
  %words = load ptr, ptr %words.at
  %n = load i64, ptr %words
  %first = getelementptr i64, ptr %words, i64 1
  %as.many = icmp eq i64 %n, %nargs
  br i1 %as.many, label %arrays, label %no
arrays:
  %k = phi i64 [0, %start], [%k1, %same]
  %wanted = phi ptr [%first, %start], [%next, %same]
  %c1 = icmp slt i64 %k, %n
  br i1 %c1, label %array, label %yes
array:
  %k1 = add i64 %k, 1
  %at = getelementptr ptr, ptr %args, i64 %k
  %a = load ptr, ptr %at
  %kind.at = getelementptr i8, ptr %a, i64 $kind
  %kind = load i64, ptr %kind.at
  %is.array = icmp eq i64 %kind, $array
  br i1 %is.array, label %look, label %no
look:
  %dtype.at = getelementptr i8, ptr %a, i64 $dtype
  %dtype = load i64, ptr %dtype.at
  %wanted.dtype = load i64, ptr %wanted
  %c2 = icmp eq i64 %dtype, %wanted.dtype
  %rank.at = getelementptr i8, ptr %a, i64 $rank
  %rank32 = load i32, ptr %rank.at
  %rank = zext i32 %rank32 to i64
  %wanted.rank.at = getelementptr i64, ptr %wanted, i64 1
  %wanted.rank = load i64, ptr %wanted.rank.at
  %c3 = icmp eq i64 %rank, %wanted.rank
  %flags.at = getelementptr i8, ptr %a, i64 $flags
  %flags = load i32, ptr %flags.at
  %c.order = and i32 %flags, 1
  %c4 = icmp ne i32 %c.order, 0
  %c23 = and i1 %c2, %c3
  %c234 = and i1 %c23, %c4
  %sizes.at = getelementptr i8, ptr %a, i64 $shape
  %sizes = load ptr, ptr %sizes.at
  %wanted.sizes = getelementptr i64, ptr %wanted, i64 2
  br i1 %c234, label %axes, label %no
axes:
  %d = phi i64 [0, %look], [%d1, %axis]
  %bad = phi i64 [0, %look], [%bad1, %axis]
  %c5 = icmp slt i64 %d, %rank
  br i1 %c5, label %axis, label %compared
axis:
  %d1 = add i64 %d, 1
  %size.at = getelementptr i64, ptr %sizes, i64 %d
  %size = load i64, ptr %size.at
  %wanted.size.at = getelementptr i64, ptr %wanted.sizes, i64 %d
  %wanted.size = load i64, ptr %wanted.size.at
  %off = xor i64 %size, %wanted.size
  %bad1 = or i64 %bad, %off
  br label %axes
compared:
  %next = getelementptr i64, ptr %wanted.sizes, i64 %rank
  %c6 = icmp eq i64 %bad, 0
  br i1 %c6, label %same, label %no
same:
  br label %arrays
yes:
  %true = call ptr @.counted(ptr @_Py_TrueStruct)
  ret ptr %true
no:
  %false = call ptr @.counted(ptr @_Py_FalseStruct)
  ret ptr %false
}
