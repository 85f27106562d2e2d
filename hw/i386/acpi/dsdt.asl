/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a PC without PCI has: the devices of the old ISA bus.  Processors are in an
 * SSDT made at run time; the power button is fixed hardware, told by the FADT.
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "HVTLFS", "PC", 1)
{
    /* SLP_TYP of acpi-pm's soft-off: ACPI_PM_S5_TYPE. */
    Name (\_S5, Package () { 0x00, 0x00, 0x00, 0x00 })

    /* The guest tells which interrupt controller it uses; both are wired. */
    Method (\_PIC, 1, NotSerialized) { }

    Scope (\_SB)
    {
        Device (ISA)
        {
            Name (_HID, EisaId ("PNP0A05"))
            Name (_UID, 0)

            Device (PIC)
            {
                Name (_HID, EisaId ("PNP0000"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x0020, 0x0020, 0x01, 0x02)
                    IO (Decode16, 0x00A0, 0x00A0, 0x01, 0x02)
                    IO (Decode16, 0x04D0, 0x04D0, 0x01, 0x02)
                    IRQNoFlags () { 2 }
                })
            }

            Device (DMAC)
            {
                Name (_HID, EisaId ("PNP0200"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x0000, 0x0000, 0x01, 0x10)
                    IO (Decode16, 0x0081, 0x0081, 0x01, 0x0F)
                    IO (Decode16, 0x00C0, 0x00C0, 0x01, 0x20)
                    DMA (Compatibility, NotBusMaster, Transfer8_16) { 4 }
                })
            }

            Device (PIT)
            {
                Name (_HID, EisaId ("PNP0100"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x0040, 0x0040, 0x01, 0x04)
                    IRQNoFlags () { 0 }
                })
            }

            Device (SPKR)
            {
                Name (_HID, EisaId ("PNP0800"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x0061, 0x0061, 0x01, 0x01)
                })
            }

            Device (RTC)
            {
                Name (_HID, EisaId ("PNP0B00"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x0070, 0x0070, 0x01, 0x02)
                    IRQNoFlags () { 8 }
                })
            }

            Device (KBD)
            {
                Name (_HID, EisaId ("PNP0303"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x0060, 0x0060, 0x01, 0x01)
                    IO (Decode16, 0x0064, 0x0064, 0x01, 0x01)
                    IRQNoFlags () { 1 }
                })
            }

            /* The port for it is there whether or not a mouse is; Linux warns of controllers without. */
            Device (MOU)
            {
                Name (_HID, EisaId ("PNP0F13"))
                Name (_CRS, ResourceTemplate ()
                {
                    IRQNoFlags () { 12 }
                })
            }

            /* An absent port reads all ones; a 16550's modem control has three bits that are zero. */
            Method (UART, 1, NotSerialized)
            {
                If (Arg0 == 0xFF) { Return (0x00) }
                Return (0x0F)
            }

            Device (COM1)
            {
                Name (_HID, EisaId ("PNP0501"))
                Name (_UID, 1)
                OperationRegion (MCR, SystemIO, 0x03FC, 0x01)
                Field (MCR, ByteAcc, NoLock, Preserve) { MCTL, 8 }
                Method (_STA, 0, NotSerialized) { Return (UART (MCTL)) }
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x03F8, 0x03F8, 0x01, 0x08)
                    IRQNoFlags () { 4 }
                })
            }

            Device (COM2)
            {
                Name (_HID, EisaId ("PNP0501"))
                Name (_UID, 2)
                OperationRegion (MCR, SystemIO, 0x02FC, 0x01)
                Field (MCR, ByteAcc, NoLock, Preserve) { MCTL, 8 }
                Method (_STA, 0, NotSerialized) { Return (UART (MCTL)) }
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x02F8, 0x02F8, 0x01, 0x08)
                    IRQNoFlags () { 3 }
                })
            }

            Device (COM3)
            {
                Name (_HID, EisaId ("PNP0501"))
                Name (_UID, 3)
                OperationRegion (MCR, SystemIO, 0x03EC, 0x01)
                Field (MCR, ByteAcc, NoLock, Preserve) { MCTL, 8 }
                Method (_STA, 0, NotSerialized) { Return (UART (MCTL)) }
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x03E8, 0x03E8, 0x01, 0x08)
                    IRQNoFlags () { 4 }
                })
            }

            Device (COM4)
            {
                Name (_HID, EisaId ("PNP0501"))
                Name (_UID, 4)
                OperationRegion (MCR, SystemIO, 0x02EC, 0x01)
                Field (MCR, ByteAcc, NoLock, Preserve) { MCTL, 8 }
                Method (_STA, 0, NotSerialized) { Return (UART (MCTL)) }
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x02E8, 0x02E8, 0x01, 0x08)
                    IRQNoFlags () { 3 }
                })
            }

            /* Ports that belong to the board: fixed power management and configuration. */
            Device (MISC)
            {
                Name (_HID, EisaId ("PNP0C02"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x0092, 0x0092, 0x01, 0x01)
                    IO (Decode16, 0x0600, 0x0600, 0x01, 0x40)
                    IO (Decode16, 0x0CF8, 0x0CF8, 0x01, 0x08)
                })
            }

            Device (FWCF)
            {
                Name (_HID, "QEMU0002")
                Name (_STA, 0x0B)
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x0510, 0x0510, 0x01, 0x0C)
                })
            }
        }
    }
}
