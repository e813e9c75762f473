;; Finds the fields of comma-separated values (RFC 4180) in a text of UTF-16 code units at the start of the memory.
(module
  (memory (export "memory") 1)

  ;; Writes two i32 for each field to $out: where it begins, and where it ends, times 4, plus 2 where it holds doubled
  ;; quotes, plus 1 where it ends a row. Returns the number of fields; -1 minus a place where a quoted field that begins
  ;; there does not end; -1073741824 minus a place where something follows the end of a quoted field.
  (func (export "scan") (param $length i32) (param $delimiter i32) (param $out i32) (result i32)
    (local $at i32) (local $unit i32) (local $begin i32) (local $end i32) (local $doubled i32) (local $fields i32) (local $open i32)

    ;; $open: a field has begun though no unit of it was seen, as behind a delimiter
    block $done
      loop $field
        ;; without a unit left, only an open field is one
        local.get $at
        local.get $length
        i32.ge_u
        if
          local.get $open
          i32.eqz
          br_if $done
        end

        local.get $at
        local.set $begin
        i32.const 0
        local.set $doubled
        i32.const -1
        local.set $unit
        block $read
          local.get $at
          local.get $length
          i32.ge_u
          br_if $read
          local.get $at
          i32.const 1
          i32.shl
          i32.load16_u
          local.set $unit
        end

        local.get $unit
        i32.const 34
        i32.eq
        if
          ;; a quoted field: to the next quote that is not doubled
          local.get $begin
          i32.const 1
          i32.add
          local.tee $begin
          local.set $at
          block $closed
            loop $quoted
              local.get $at
              local.get $length
              i32.ge_u
              if
                i32.const -1
                local.get $begin
                i32.const 1
                i32.sub
                i32.sub
                return
              end
              local.get $at
              i32.const 1
              i32.shl
              i32.load16_u
              local.set $unit
              local.get $at
              i32.const 1
              i32.add
              local.set $at
              local.get $unit
              i32.const 34
              i32.ne
              br_if $quoted
              local.get $at
              local.get $length
              i32.ge_u
              br_if $closed
              local.get $at
              i32.const 1
              i32.shl
              i32.load16_u
              i32.const 34
              i32.ne
              br_if $closed
              i32.const 2
              local.set $doubled
              local.get $at
              i32.const 1
              i32.add
              local.set $at
              br $quoted
            end
          end
          local.get $at
          i32.const 1
          i32.sub
          local.set $end
        else
          ;; a plain field: to the next delimiter or line end
          block $ended
            loop $plain
              local.get $at
              local.get $length
              i32.ge_u
              br_if $ended
              local.get $at
              i32.const 1
              i32.shl
              i32.load16_u
              local.tee $unit
              local.get $delimiter
              i32.eq
              br_if $ended
              local.get $unit
              i32.const 10
              i32.eq
              br_if $ended
              local.get $unit
              i32.const 13
              i32.eq
              br_if $ended
              local.get $at
              i32.const 1
              i32.add
              local.set $at
              br $plain
            end
          end
          local.get $at
          local.set $end
        end

        ;; what follows the field
        i32.const 10
        local.set $unit
        block $last
          local.get $at
          local.get $length
          i32.ge_u
          br_if $last
          local.get $at
          i32.const 1
          i32.shl
          i32.load16_u
          local.set $unit
          local.get $at
          i32.const 1
          i32.add
          local.set $at
        end

        local.get $unit
        local.get $delimiter
        i32.eq
        local.tee $open
        i32.eqz
        if
          block $line
            local.get $unit
            i32.const 10
            i32.eq
            br_if $line
            local.get $unit
            i32.const 13
            i32.ne
            if
              i32.const -1073741824
              local.get $at
              i32.const 1
              i32.sub
              i32.sub
              return
            end
            ;; \r\n is one line end
            local.get $at
            local.get $length
            i32.ge_u
            br_if $line
            local.get $at
            i32.const 1
            i32.shl
            i32.load16_u
            i32.const 10
            i32.ne
            br_if $line
            local.get $at
            i32.const 1
            i32.add
            local.set $at
          end
        end

        local.get $out
        local.get $begin
        i32.store
        local.get $out
        local.get $end
        i32.const 2
        i32.shl
        local.get $doubled
        i32.or
        local.get $open
        i32.eqz
        i32.or
        i32.store offset=4
        local.get $out
        i32.const 8
        i32.add
        local.set $out
        local.get $fields
        i32.const 1
        i32.add
        local.set $fields
        br $field
      end
    end
    local.get $fields
  )
)
