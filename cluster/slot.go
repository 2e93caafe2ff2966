package cluster

import "bytes"

// Slots is the number of hash slots of a Redis Cluster.
const Slots = 16384

// crcPolynomial is that of CRC16/XMODEM, which Redis Cluster hashes keys with.
const crcPolynomial = 0x1021

var crcTable = makeCRCTable()

func makeCRCTable() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ crcPolynomial
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}

// Slot is the hash slot of key, 0 to Slots-1, exactly as Redis Cluster has it:
// when the key holds a non-empty {hash tag}, only the tag is hashed.
func Slot(key []byte) uint16 {
	crc := uint16(0)
	for _, c := range hashTag(key) {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^c]
	}
	return crc % Slots
}

// hashTag is what stands between the first '{' and the first '}' behind it, or
// the whole key when there is no such pair or nothing in it.
func hashTag(key []byte) []byte {
	open := bytes.IndexByte(key, '{')
	if open < 0 {
		return key
	}
	length := bytes.IndexByte(key[open+1:], '}')
	if length <= 0 {
		return key
	}
	return key[open+1 : open+1+length]
}
