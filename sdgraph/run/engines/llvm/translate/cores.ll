; Cores, as Linux tells of them. `no_cores.ll` is for other systems.

declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)

; The core that this thread runs on.
define internal i64 @.here() {
  %core = call i32 @sched_getcpu()
  %whole = sext i32 %core to i64
  ret i64 %whole
}

; Go from a core to another one, and stay free to use any as before. Gives whether that was possible.
define i1 @.leave_core(i64 %core) {
start:
  %all = alloca [128 x i64]
  %others = alloca [128 x i64]
  %unknown = call i32 @sched_getaffinity(i32 0, i64 1024, ptr %all)
  %unknown.too = call i32 @sched_getaffinity(i32 0, i64 1024, ptr %others)
  %either = or i32 %unknown, %unknown.too
  %known = icmp sge i32 %either, 0
  br i1 %known, label %choose, label %no
choose:
  %number = lshr i64 %core, 3
  %bit = and i64 %core, 7
  %byte.at = getelementptr i8, ptr %others, i64 %number
  %byte = load i8, ptr %byte.at
  %shift = trunc i64 %bit to i8
  %one = shl i8 1, %shift
  %rest = xor i8 %one, -1
  %without = and i8 %byte, %rest
  store i8 %without, ptr %byte.at
  %left = call i32 @sched_setaffinity(i32 0, i64 1024, ptr %others)
  %gone = icmp eq i32 %left, 0
  br i1 %gone, label %free, label %no

; Not where nothing was changed: somebody else may change it meanwhile.
free:
  %freed = call i32 @sched_setaffinity(i32 0, i64 1024, ptr %all)
  ret i1 true
no:
  ret i1 false
}
