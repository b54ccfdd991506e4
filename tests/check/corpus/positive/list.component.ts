import { Component, OnInit, OnDestroy } from '@angular/core';
import { io, Socket } from 'socket.io-client';
import { SocketService } from '../services/socket.service';
@Component({
  selector: 'app-list',
  template: '<p></p>',
})
export class ListComponent implements OnInit, OnDestroy {
  private socket!: Socket;
  constructor(private svc: SocketService) {
    this.socket = io('http://x'); // expect: client-in-handler
  }
  ngOnInit(): void {
    this.socket.on('item', (i) => this.items.push(i));
    this.svc.socket.on('x', (i) => this.items.push(i)); // expect: listener-without-cleanup
    this.svc.socket.on('y', this.onY);
  }
  ngOnDestroy(): void {
    this.svc.socket.off('y', this.onY);
  }
}
